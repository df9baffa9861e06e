"""Ollama's and OpenAI's API on loopback over a real GGUF model in llama_cpp."""

import json
import os
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

Reply = Iterator[dict[str, Any]]


class ModelServer:
    """Serves one model under both APIs; use as a context manager.

    Attributes:
        requests: (path, body) of each request.
        before_answer: called before each answer is begun; may sleep or raise.
        break_after: pieces of the next answer after which the connection is cut; 0 for never.
        text: answers with this text instead of the model's, a word a piece.
    """

    def __init__(self, model: Path, name: str = "mini:latest") -> None:
        from llama_cpp import Llama

        kept = [os.dup(1), os.dup(2)]  # llama_cpp points them elsewhere while it loads
        self._model = Llama(str(model), n_ctx=1024, n_threads=1, logits_all=True, verbose=False)
        for descriptor, number in zip(kept, (1, 2), strict=True):
            os.dup2(descriptor, number)
            os.close(descriptor)
        self.name = name
        self.requests: list[tuple[str, dict[str, Any]]] = []
        self.before_answer: Callable[[], None] = lambda: None
        self.break_after = 0
        self.text: str | None = None
        self._turn = threading.Lock()
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                server.requests.append((self.path, {}))
                if self.path == "/api/tags":
                    entry = {"name": server.name, "digest": "d" * 64, "size": 1,
                             "details": {"quantization_level": "Q4_K_M", "family": "llama"}}  # fmt: skip
                    server.send(self, {"models": [entry]})
                elif self.path == "/v1/models":
                    server.send(self, {"object": "list", "data": [{"id": server.name}]})
                else:
                    server.send(self, {"error": "not found"}, 404)

            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                server.requests.append((self.path, body))
                if self.path == "/api/show":
                    facts = {"general.architecture": "llama", "llama.context_length": 1024}
                    server.send(self, {"template": "{{ .Prompt }}", "model_info": facts})
                elif body["model"] != server.name:
                    server.send(self, {"error": {"message": f"model '{body['model']}' not found"}}, 404)  # fmt: skip
                elif self.path == "/api/chat":
                    server.stream(self, server.ollama(body), "application/x-ndjson", b"%s\n")
                elif self.path == "/v1/chat/completions":
                    server.stream(
                        self,
                        server.openai(body),
                        "text/event-stream",
                        b"data: %s\n\n",
                        b"data: [DONE]\n\n",
                    )

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> "ModelServer":
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    @property
    def asked(self) -> list[str]:
        """The last user turn of each question."""
        return [body["messages"][-1]["content"] for _, body in self.requests if "messages" in body]

    def send(self, handler: BaseHTTPRequestHandler, content: Any, status: int = 200) -> None:
        data = json.dumps(content).encode()
        handler.send_response(status)
        handler.send_header("Content-Length", str(len(data)))
        handler.end_headers()
        handler.wfile.write(data)

    def stream(
        self,
        handler: BaseHTTPRequestHandler,
        pieces: Reply,
        kind: str,
        form: bytes,
        last: bytes = b"",
    ) -> None:
        handler.send_response(200)
        handler.send_header("Content-Type", kind)
        handler.end_headers()
        try:
            for number, piece in enumerate(pieces, 1):
                handler.wfile.write(form % json.dumps(piece).encode())
                handler.wfile.flush()
                if number == self.break_after:
                    self.break_after = 0
                    handler.connection.shutdown(2)
                    return
            handler.wfile.write(last)
        except OSError:
            return  # who asked has left

    def openai(self, body: dict[str, Any]) -> Reply:
        """Chunks as llama_cpp makes them; the log-probabilities in today's form."""
        yield from self._chunks(body, body["max_tokens"], body, body.get("top_logprobs") or 1)

    def ollama(self, body: dict[str, Any]) -> Reply:
        """Lines in Ollama's form."""
        options, reason, count = body["options"], "stop", 0
        for chunk in self._chunks(
            body, options["num_predict"], options, body.get("top_logprobs") or 1
        ):
            choice = chunk["choices"][0]
            reason = choice["finish_reason"] or reason
            text = choice["delta"].get("content")
            if text:
                count += 1
                told = choice["logprobs"]["content"] if choice.get("logprobs") else None
                yield {"message": {"role": "assistant", "content": text}, "logprobs": told,
                       "done": False}  # fmt: skip
        yield {"message": {"role": "assistant", "content": ""}, "done": True,
               "done_reason": reason, "prompt_eval_count": 5, "eval_count": count}  # fmt: skip

    def _chunks(
        self, body: dict[str, Any], most: int, options: dict[str, Any], listed: int
    ) -> Reply:
        self.before_answer()
        if self.text is not None:
            for word in self.text.split(" "):
                yield {"choices": [{"delta": {"content": f"{word} "}, "finish_reason": None}]}
                time.sleep(0.0005)
            yield {"choices": [{"delta": {}, "finish_reason": "stop"}]}
            return
        with self._turn:
            self._model.reset()
            yield from self._model.create_chat_completion(
                body["messages"], max_tokens=most, temperature=options["temperature"],
                top_p=options["top_p"], seed=options["seed"], stream=True, logprobs=True,
                top_logprobs=listed, repeat_penalty=1.0, min_p=0.0, top_k=0,
            )  # fmt: skip
