"""Run this export. It needs onnxruntime alone."""


def load(folder):
    """Return the signatures by name: functions from arrays by name to arrays by name."""
    import onnxruntime

    session = onnxruntime.InferenceSession(
        str(folder / "model.onnx"), providers=["CPUExecutionProvider"]
    )
    names = [output.name for output in session.get_outputs()]

    def run(**inputs):
        return dict(zip(names, session.run(names, inputs), strict=True))

    return {"serving_default": run}
