"""What is wrong with data, or may be: `audit` for all of it, `brief` for what is seen at once."""

from data.audit.examination import Audit, audit
from data.audit.finding import Finding
from data.audit.short import brief

__all__ = ["Audit", "Finding", "audit", "brief"]
