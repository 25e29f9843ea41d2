"""The three ways to run one attempt of a trial: `inline`, `process` and `command`; see `base` for what they promise."""
