"""Adversarial training: a network learns from images that were changed to mislead it."""

from typing import Any


def with_adversarial_training(config: Any, model: Any) -> Any:
    """Return a network that trains on images changed to mislead it, if the settings ask for that.

    Before each step, every grey value of the batch gets a random change of up to the strength, and
    then moves by 1.25 times the strength to where the loss rises, but stays within the strength:
    FGSM from a random start (Wong and others 2020, arXiv:2001.03994). The step trains on the
    changed images. Validation and tests have the images as they are.

    Args:
        config: Has `adversarial`: the most that a grey value, from 0 to 255, is changed by; 0 to
            change none.
        model: A functional or sequential network, not yet compiled, whose one input is images:
            uint8 (batch, height, width, channels).

    Returns:
        The network itself where the strength is 0; else one that shares its layers.
    """
    if not config.adversarial:
        return model
    import keras

    from dlrecipes.kit.adversarial_model import AdversarialModel

    trained = AdversarialModel(model.inputs[0], model.outputs[0], name=model.name)
    trained.strength = float(config.adversarial)
    trained.seed = keras.random.SeedGenerator()  # Its state is a variable: saved and resumed.
    answer = with_float_input(model)
    # Keras would take a network in an attribute for a layer.
    trained.answer = lambda images: answer(images, training=False)
    return trained


def with_float_input(model: Any) -> Any:
    """Return a network that shares the layers of another one, and whose inputs are float32.

    Keras gives a network its inputs in the type that it was built for, and whole numbers have no
    gradient.

    Args:
        model: A functional or sequential network; those in it may have inputs of their own.
    """
    import keras

    def shared(layer: Any) -> Any:
        is_network = isinstance(layer, keras.Model) and hasattr(layer, "inputs")
        return with_float_input(layer) if is_network else layer

    before = model.inputs[0] if isinstance(model, keras.Sequential) else model.input
    inputs = keras.tree.map_structure(
        lambda tensor: keras.Input(tensor.shape[1:], dtype="float32", name=tensor.name), before
    )
    return keras.models.clone_model(model, input_tensors=inputs, clone_function=shared)
