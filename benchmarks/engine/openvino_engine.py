"""The baseline `openvino-int8`, run in `.venv-bench`: OpenVINO GenAI.

    python -m benchmarks.engine.openvino_engine FOLDER THREADS

Token ids go in and come out, so no tokenizer is needed. The settings are OpenVINO's
own but for the number of threads.
"""

import sys
from pathlib import Path
from typing import Any

import numpy as np
import openvino as ov
import openvino_genai as genai
from numpy.typing import NDArray

from benchmarks.engine.child import engine_operations, serve


class OpenVinoEngine:
    """GPT-2 with 8-bit weights in the pipeline that OpenVINO GenAI chooses."""

    def __init__(self, folder: str, threads: int) -> None:
        """Loads the exported model in `folder`."""
        self._folder = Path(folder)
        self._settings = {"INFERENCE_NUM_THREADS": threads}
        self._pipeline = genai.LLMPipeline(folder, "CPU", **self._settings)

    def generate(self, prompts: list[list[int]], new_tokens: int) -> list[list[int]]:
        """Continues every prompt greedily; see `child.Generate`."""
        ids = np.array(prompts, np.int64)
        config = genai.GenerationConfig()
        config.max_new_tokens = new_tokens
        config.do_sample = False
        # Else generation would end where the model ends its text.
        config.ignore_eos = True
        inputs = genai.TokenizedInputs(ov.Tensor(ids), ov.Tensor(np.ones_like(ids)))
        tokens: list[list[int]] = self._pipeline.generate(inputs, config).tokens
        return tokens

    def last_logits(self, rows: list[list[int]], whole: int) -> NDArray[Any]:
        """Returns logits after the last token; see `child.LastLogits`.

        The pipeline keeps its logits to itself, so this compiles the same model with
        the same settings, without the pipeline's paged cache.
        """
        model = ov.Core().compile_model(
            self._folder / "openvino_model.xml", "CPU", self._settings
        )
        request = model.create_infer_request()
        ids = np.array(rows, np.int64)
        logits = _feed(request, ids[:, :whole], 0)
        for place in range(whole, ids.shape[1]):
            logits = _feed(request, ids[:, place : place + 1], place)
        return logits


def _feed(request: Any, ids: NDArray[np.int64], start: int) -> NDArray[Any]:
    rows, count = ids.shape
    outputs = request.infer(
        {
            "input_ids": ids,
            "attention_mask": np.ones((rows, start + count), np.int64),
            "position_ids": np.tile(np.arange(start, start + count), (rows, 1)),
            "beam_idx": np.arange(rows, dtype=np.int32),
        }
    )
    return np.array(outputs["logits"][:, -1])


if __name__ == "__main__":
    serve(lambda: engine_operations(OpenVinoEngine(sys.argv[1], int(sys.argv[2]))))
