"""The front door: config in, real objects out. Only here are Hydra and OmegaConf known."""
