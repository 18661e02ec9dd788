"""Recordings: from files of sound to waveforms of one rate and one length."""
