"""A model in Ollama on this machine, through its API.

API: https://github.com/ollama/ollama/blob/main/docs/api.md
"""

import os
from typing import Any

from medllm.engines.protocol import ModelInfo, Request
from medllm.engines.remote import Piece, RemoteEngine, options
from medllm.engines.server import Exchange, Server
from medllm.errors import ModelError

_DEFAULT = "http://127.0.0.1:11434"
_CONTEXT = 4096


class OllamaEngine(RemoteEngine):
    """One model of an Ollama server.

    Args:
        model: its name there; without a tag, `latest`.
        url: of the server; else OLLAMA_HOST or Ollama's own default.
        patience: seconds of silence after which it counts as lost. Ollama loads a
            model with the first question, which counts too.
    """

    def __init__(self, model: str, url: str = "", patience: float = 300.0) -> None:
        address = url or os.environ.get("OLLAMA_HOST") or _DEFAULT
        super().__init__(Server(address, "Ollama", "Start it with: ollama serve", patience))
        self._model = model if ":" in model else f"{model}:latest"

    def _describe(self) -> ModelInfo:
        entries = {entry["name"]: entry for entry in self._server.get("/api/tags")["models"]}
        entry = entries.get(self._model)
        if entry is None:
            known = ", ".join(sorted(entries)) or "none"
            raise ModelError(
                f"Ollama has no model {self._model}; it has: {known}.",
                f"Fetch it with: ollama pull {self._model}",
            )
        shown = self._server.post("/api/show", {"model": self._model})
        details, facts = entry.get("details") or {}, shown.get("model_info") or {}
        template = shown.get("template", "")
        own = next((v for k, v in facts.items() if k.endswith(".context_length")), _CONTEXT)
        return ModelInfo(
            name=self._model,
            path=self._server.url,
            sha256=str(entry.get("digest", "")),
            size_bytes=int(entry.get("size", 0)),
            architecture=str(facts.get("general.architecture") or details.get("family", "")),
            quantization=str(details.get("quantization_level", "")),
            parameters=int(facts.get("general.parameter_count", 0)),
            context=min(int(own), _CONTEXT),
            template_has_system=".System" in template or ".Messages" in template,
        )

    def _ask(self, request: Request, listed: int) -> Exchange:
        body: dict[str, Any] = {
            "model": self._model,
            "messages": list(request.messages),
            "stream": True,
            "logprobs": True,
            "options": {
                **options(request),
                "num_predict": request.max_tokens,
                "num_ctx": self.info().context,
            },
        }
        if listed:
            body["top_logprobs"] = listed
        return self._server.exchange("POST", "/api/chat", body)

    def _piece(self, line: bytes) -> Piece:
        found = self._server.parse(line)
        told = (found.get("logprobs") or [None])[0]
        return Piece(
            text=(found.get("message") or {}).get("content") or "",
            logprob=told["logprob"] if told else None,
            listed=tuple(
                (t["token"], t["logprob"]) for t in ((told or {}).get("top_logprobs") or ())
            ),
            end=_end(found),
            prompt_tokens=int(found.get("prompt_eval_count") or 0),
            tokens=int(found.get("eval_count") or 0),
        )


def _end(found: dict[str, Any]) -> Any:
    if not found.get("done"):
        return ""
    return "length" if found.get("done_reason") == "length" else "stop"
