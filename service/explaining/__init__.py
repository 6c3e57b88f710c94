"""Why a result came out as it did, or why nobody can say."""
