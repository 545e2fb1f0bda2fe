"""The editions in service: which version answers, which can be pinned, and how a new one takes over."""
