"""What presets of frameworks have in common that make secrets and check them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from autoplayback.interception.protocol import ResultCodec

if TYPE_CHECKING:
    from autoplayback.interception.protocol import Answer, Passage


class SecretCodec(ResultCodec):
    """A function whose result is a secret: it stands on the tape under a name that says so, and is replaced everywhere."""

    def opened(self, result: Any, passage: Passage) -> Any:
        passage.returned({"secret": result})
        return result

    def closed(self, answer: Answer, receiver: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        return answer.value["secret"]


SECRET = SecretCodec()
