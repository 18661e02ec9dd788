"""The run folder and all that lies in it, each file written whole or not at all."""
