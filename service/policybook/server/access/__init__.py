"""Who may do what: callers and how they prove who they are, roles, rates. Knows nothing of gRPC, so that every door asks the same."""
