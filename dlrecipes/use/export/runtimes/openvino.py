"""Run this export. It needs openvino alone."""


def load(folder):
    """Return the signatures by name: functions from arrays by name to arrays by name."""
    import openvino

    # OpenVINO computes in bfloat16 where a processor can, unless it is told not to.
    model = openvino.Core().compile_model(
        str(folder / "model.xml"), "CPU", {"INFERENCE_PRECISION_HINT": "f32"}
    )

    def run(**inputs):
        found = model(inputs)
        return {output.any_name: found[output].copy() for output in model.outputs}

    return {"serving_default": run}
