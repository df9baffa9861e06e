"""A model behind an OpenAI-compatible endpoint on this machine: llama-server, vLLM and others.

API: https://platform.openai.com/docs/api-reference/chat
"""

from typing import Any

from medllm.engines.protocol import ModelInfo, Request
from medllm.engines.remote import Piece, RemoteEngine, options
from medllm.engines.server import Exchange, Server, bearer_token
from medllm.errors import ModelError

_CONTEXT = 4096


class OpenAIEngine(RemoteEngine):
    """One model of a server.

    Args:
        url: of the API's root, `http://127.0.0.1:8000/v1`.
        model: its id there; may be empty where the server has but one.
        patience: seconds of silence after which it counts as lost.

    A token that the server asks for is read from OPENAI_API_KEY.
    """

    def __init__(self, url: str, model: str = "", patience: float = 120.0) -> None:
        hint = "Start it, for example with: llama-server -m FILE.gguf"
        super().__init__(Server(url, "The server", hint, patience, bearer_token()))
        self._model = model

    def _describe(self) -> ModelInfo:
        entries = {entry["id"]: entry for entry in self._server.get("/models").get("data") or ()}
        known = ", ".join(sorted(entries)) or "none"
        if not self._model and len(entries) != 1:
            raise ModelError(
                f"The server has several models or none: {known}.",
                f"Name one: openai:{self._server.url}#MODEL",
            )
        self._model = self._model or next(iter(entries))
        if self._model not in entries:
            raise ModelError(f"The server has no model {self._model}; it has: {known}.")
        entry = entries[self._model]
        meta = entry.get("meta") or {}  # llama-server's; vLLM gives max_model_len
        context = entry.get("max_model_len") or meta.get("n_ctx_train") or _CONTEXT
        return ModelInfo(
            name=self._model,
            path=self._server.url,
            sha256="",  # such servers don't tell it
            size_bytes=int(meta.get("size") or 0),
            architecture="",
            quantization="",
            parameters=int(meta.get("n_params") or 0),
            context=int(context),
            template_has_system=True,
        )

    def _ask(self, request: Request, listed: int) -> Exchange:
        body: dict[str, Any] = {
            "model": self._model,
            "messages": list(request.messages),
            "max_tokens": request.max_tokens,
            "stream": True,
            "stream_options": {"include_usage": True},
            "logprobs": True,
            **options(request),
        }
        if listed:
            body["top_logprobs"] = listed
        return self._server.exchange("POST", "/chat/completions", body)

    def _piece(self, line: bytes) -> Piece | None:
        kind, _, data = line.partition(b":")
        if kind != b"data" and not line.startswith(b"{"):
            return None  # a comment, or the name of an event
        data = data.strip() if kind == b"data" else line
        if data == b"[DONE]":
            return None
        found = self._server.parse(data)
        usage = found.get("usage") or {}
        choice = (found.get("choices") or [{}])[0]
        told = ((choice.get("logprobs") or {}).get("content") or [None])[0]
        reason = choice.get("finish_reason")
        return Piece(
            text=(choice.get("delta") or {}).get("content") or "",
            logprob=told["logprob"] if told else None,
            listed=tuple(
                (t["token"], t["logprob"]) for t in ((told or {}).get("top_logprobs") or ())
            ),
            end="" if not reason else "length" if reason == "length" else "stop",
            prompt_tokens=int(usage.get("prompt_tokens") or 0),
            tokens=int(usage.get("completion_tokens") or 0),
        )
