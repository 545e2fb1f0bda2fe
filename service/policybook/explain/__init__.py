"""Why a decision came so, what would change it, and what a request that is not complete still needs."""
