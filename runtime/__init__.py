"""The recorded runtime: bundled llama.cpp in a worker process of its own. Imports nothing of ours."""
