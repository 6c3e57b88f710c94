"""Why a result came out as it did, in words: a part of the letter, and a text of its own."""
