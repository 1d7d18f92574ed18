"""The baseline `hf-fp32`, run in `.venv-bench`: transformers' `generate`.

python -m benchmarks.engine.hugging_face_engine FOLDER THREADS
"""

import sys
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from transformers import GPT2LMHeadModel

from benchmarks.engine.child import engine_operations, serve


class HuggingFaceEngine:
    """GPT-2 in float32 with PyTorch's fused attention and a key-value cache."""

    def __init__(self, folder: str, threads: int) -> None:
        """Loads the checkpoint in `folder`."""
        torch.set_num_threads(threads)
        # Any: transformers' types refuse its own `generate`.
        self._model: Any = GPT2LMHeadModel.from_pretrained(
            folder, dtype=torch.float32, attn_implementation="sdpa"
        )
        # Else generation would end where the model ends its text.
        self._model.generation_config.eos_token_id = None

    @torch.inference_mode()
    def generate(self, prompts: list[list[int]], new_tokens: int) -> list[list[int]]:
        """Continues every prompt greedily; see `child.Generate`."""
        ids = torch.tensor(prompts)
        output = self._model.generate(
            ids,
            attention_mask=torch.ones_like(ids),
            max_new_tokens=new_tokens,
            do_sample=False,
            pad_token_id=0,
        )
        rows: list[list[int]] = output[:, ids.shape[1] :].tolist()
        return rows

    @torch.inference_mode()
    def last_logits(self, rows: list[list[int]], whole: int) -> NDArray[Any]:
        """Returns logits after the last token; see `child.LastLogits`."""
        ids = torch.tensor(rows)
        output = self._model(ids[:, :whole], use_cache=True)
        for place in range(whole, ids.shape[1]):
            output = self._model(
                ids[:, place : place + 1], past_key_values=output.past_key_values
            )
        return np.asarray(output.logits[:, -1].numpy())


if __name__ == "__main__":
    serve(lambda: engine_operations(HuggingFaceEngine(sys.argv[1], int(sys.argv[2]))))
