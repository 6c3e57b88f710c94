"""The vocabulary of a loaded model, and the state of a grammar over it. Part of the door to llama.cpp."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from functools import cached_property
from typing import Any

import llama_cpp.llama_cpp as c
import numpy as np

from runtime.errors import CallRefused, InputInvalid, ProgramInvalid
from runtime.output.lexicon import Lexicon, lexicon

_GRAMMARS = 64
_CANDIDATE = np.dtype([("id", np.int32), ("logit", np.float32), ("p", np.float32)])


class Vocabulary:
    """Tokens and their text. Text is always read as plain text; special tokens are looked up in `specials`."""

    def __init__(self, model: ctypes.c_void_p) -> None:
        self._vocab: Any = c.llama_model_get_vocab(model)
        self.size = int(c.llama_vocab_n_tokens(self._vocab))
        self._is_bytes = c.llama_vocab_type(self._vocab) == c.LLAMA_VOCAB_TYPE_BPE
        ids = range(self.size)
        self.control = np.fromiter((c.llama_vocab_is_control(self._vocab, i) for i in ids), dtype=bool, count=self.size)
        self.ends = frozenset(i for i in ids if c.llama_vocab_is_eog(self._vocab, i))
        specials = {(c.llama_vocab_get_text(self._vocab, int(i)) or b"").decode("utf-8", "replace"): int(i)
                    for i in np.flatnonzero(self.control)}  # fmt: skip
        self.specials = {text: token for text, token in specials.items() if text}
        self.bos = int(c.llama_vocab_bos(self._vocab)) if c.llama_vocab_get_add_bos(self._vocab) else None
        self._pieces: dict[int, bytes] = {}
        self._grammars: dict[str, Grammar] = {}

    def tokenize(self, text: str) -> list[int]:
        """Tokens of plain text: what looks like a special token is spelled out.

        Raises InputInvalid where a character would be lost: a byte-level vocabulary need not have every byte.
        """
        data = text.encode()
        if not data:
            return []
        if self._vocab is None:
            raise CallRefused("the model was freed", field="model")
        room = len(data) + 8
        buffer = (c.llama_token * room)()
        count = c.llama_tokenize(self._vocab, data, len(data), buffer, room, False, False)
        if count < 0:
            raise CallRefused("the text cannot be tokenized", field="prompt")
        tokens = list(buffer[:count])
        if self._is_bytes and sum(len(self.piece(token)) for token in tokens) < len(data):
            raise InputInvalid("the model has no token for one of its characters", field="prompt", fix="spell it out")
        return tokens

    def piece(self, token: int) -> bytes:
        """The bytes of one token, special ones spelled out."""
        known = self._pieces.get(token)
        if known is None:
            if not 0 <= token < self.size:
                raise CallRefused("token id outside the vocabulary", field="token")
            buffer = ctypes.create_string_buffer(512)
            count = c.llama_token_to_piece(self._vocab, token, buffer, len(buffer), 0, True)
            known = self._pieces[token] = buffer.raw[: max(count, 0)]
        return known

    def breaks(self, token: int) -> bool:
        """Whether a token can only end a text: an end token, or blanks with a newline among them."""
        if token in self.ends:
            return True
        piece = self.piece(token)
        return b"\n" in piece and not piece.strip()

    def close(self) -> None:
        """The model is freed: nothing can be asked any more."""
        while self._grammars:
            self._grammars.popitem()[1].close()
        self.size, self._vocab = 0, None

    @cached_property
    def lexicon(self) -> Lexicon:
        """The tokens by how they begin; made when it is first needed, in about 0.1 s."""
        return lexicon([self.piece(token) for token in range(self.size)], self.ends, self.control)

    def grammar(self, gbnf: str) -> Grammar:
        """A grammar over these tokens: parsed once, and a state of its own for each request."""
        if gbnf not in self._grammars:
            sampler = c.llama_sampler_init_grammar(self._vocab, gbnf.encode(), b"root")
            if not sampler:  # a NULL pointer object, not None
                raise ProgramInvalid("llama.cpp does not take the grammar made from the schema", field="output_schema")
            if len(self._grammars) >= _GRAMMARS:
                self._grammars.pop(next(iter(self._grammars))).close()
            self._grammars[gbnf] = Grammar(sampler, self.size)
        return self._grammars[gbnf].clone()


class Grammar:
    """The state of one grammar while its text grows."""

    def __init__(self, sampler: Any, size: int) -> None:
        self._sampler, self._size = sampler, size
        self._allowed: set[int] = set()
        # For the question that is asked most, about one token: arrays of each question's own cost more than its answer.
        cells = (c.llama_token_data * 1)()
        self._cell: Any = cells[0]
        self._cells = c.llama_token_data_array(cells, 1, -1, sorted=False)
        self._question = ctypes.byref(self._cells)

    def clone(self) -> Grammar:
        """The same state once more, to go on by itself."""
        return Grammar(c.llama_sampler_clone(self._sampler), self._size)

    def allows(self, token: int) -> bool:
        """Whether a token may come next."""
        if not 0 <= token < self._size:
            raise CallRefused("token id outside the vocabulary", field="token")
        cell = self._cell
        cell.id, cell.logit = token, 0.0
        c.llama_sampler_apply(self._sampler, self._question)
        keep: bool = cell.logit == 0.0
        if keep:
            self._allowed.add(token)
        return keep

    def allowed(self, tokens: Sequence[int]) -> list[bool]:
        """For each token whether it may come next."""
        if len(tokens) < 2:
            return [self.allows(token) for token in tokens]
        if min(tokens) < 0 or max(tokens) >= self._size:
            raise CallRefused("token id outside the vocabulary", field="token")
        rows = np.zeros(len(tokens), dtype=_CANDIDATE)
        rows["id"] = tokens
        array = c.llama_token_data_array(rows.ctypes.data_as(c.llama_token_data_p), len(tokens), -1, sorted=False)
        c.llama_sampler_apply(self._sampler, ctypes.byref(array))
        keep: list[bool] = np.isfinite(rows["logit"]).tolist()
        self._allowed.update(token for token, ok in zip(tokens, keep, strict=True) if ok)
        return keep

    def accept(self, token: int) -> None:
        """Moves on by a token that was `allowed` here; any other would throw inside the library and abort."""
        if token not in self._allowed:
            raise CallRefused("the grammar was not asked about this token", field="token")
        c.llama_sampler_accept(self._sampler, token)
        self._allowed.clear()

    def close(self) -> None:
        """Frees the state."""
        if self._sampler:
            c.llama_sampler_free(self._sampler)
        self._sampler = None
