"""The message bar says what the machine refuses in the words of the command line."""

from __future__ import annotations

import errno
import os

from pytestqt.qtbot import QtBot

from tvae_core.files import file_error
from tvae_gui.messages import Messages


def test_an_error_of_the_machine_is_a_sentence_and_no_surprise(qtbot: QtBot) -> None:
    said: list[tuple[str, str, str]] = []
    messages = Messages()
    messages.said.connect(lambda *words: said.append(words))
    full = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "/data/run/embeddings.h5")
    for error in (full, file_error(full)):
        messages.error(error)
        level, sentence, details = said.pop()
        assert (level, details) == ("error", "")
        assert sentence == (
            "No space left on device — /data/run/embeddings.h5. "
            "Free some space, or choose another disk."
        )
