"""Run this export. It needs ai-edge-litert alone."""

import numpy as np


def load(folder):
    """Return the signatures by name: functions from arrays by name to arrays by name."""
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(model_path=str(folder / "model.tflite"))
    runner = interpreter.get_signature_runner("serving_default")
    batches = {int(one["shape_signature"][0]) for one in runner.get_input_details().values()}

    def run(**inputs):
        if batches != {1}:
            return {name: value.copy() for name, value in runner(**inputs).items()}
        # A model that reads step by step takes one input at a time.
        rows = range(len(next(iter(inputs.values()))))
        answers = [
            {name: value.copy() for name, value in runner(**_row(inputs, row)).items()}
            for row in rows
        ]
        return {name: np.concatenate([one[name] for one in answers]) for name in answers[0]}

    return {"serving_default": run}


def _row(inputs, row):
    """Return one row of each input."""
    return {name: value[row : row + 1] for name, value in inputs.items()}
