"""Looks at everything; the slow part is done by other processes meanwhile."""

from trainer.doctor.check import Check
from trainer.doctor.libraries import companion_check, device_checks, torch_check
from trainer.doctor.machine import machine_checks
from trainer.doctor.packages import TOGETHER, package_checks
from trainer.doctor.probing import Probe


def examine() -> list[Check]:
    """Every check, in the order in which they are shown; never raises for what it finds."""
    probes = {name: Probe(name) for name in TOGETHER}
    try:
        packages = list(package_checks())
        outcomes = {name: probe.outcome() for name, probe in probes.items()}
    finally:
        for probe in probes.values():
            probe.close()
    torch = outcomes["torch"]
    libraries = [torch_check(torch)]
    libraries += [companion_check(n, outcomes[n], not torch.error) for n in TOGETHER[1:]]
    found = [*packages, *libraries, *device_checks(torch), *machine_checks(torch.facts)]
    return [each for number, each in enumerate(found) if not told_better(each, found[:number])]


def told_better(check: Check, earlier: list[Check]) -> bool:
    """Whether a problem of the same package is told already: a missing one has one line."""
    return check.grade == "problem" and any(
        other.topic == check.topic and other.grade == "problem" for other in earlier
    )
