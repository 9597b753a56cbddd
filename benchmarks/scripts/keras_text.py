"""An LSTM that writes Shakespeare a character at a time, as a tutorial writes it."""

import keras
import numpy as np
import watch
from keras import layers
from plain_files import shakespeare

EPOCHS, WINDOW = 5, 100

train_text, test_text = shakespeare()
characters = sorted(set(train_text))
number_of = {character: number for number, character in enumerate(characters)}


def windows(text):
    numbers = np.array([number_of[character] for character in text])
    count = (len(numbers) - 1) // WINDOW
    shape = (count, WINDOW)
    return numbers[: count * WINDOW].reshape(shape), numbers[1 : count * WINDOW + 1].reshape(shape)


x_train, y_train = windows(train_text)
x_test, y_test = windows(test_text)
model = keras.Sequential(
    [
        keras.Input((None,)),
        layers.Embedding(len(characters), 128),
        layers.LSTM(128, return_sequences=True),
        layers.Dense(len(characters), activation="softmax"),
    ]
)
model.compile("adam", "sparse_categorical_crossentropy")
with watch.fitting(len(x_train) * EPOCHS):
    model.fit(
        x_train,
        y_train,
        epochs=EPOCHS,
        batch_size=64,
        verbose=2,
        callbacks=[watch.keras_callback()],
    )
watch.result(model.evaluate(x_test, y_test, verbose=0))
