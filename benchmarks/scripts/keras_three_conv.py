"""Three convolutions on MNIST, as a tutorial writes it."""

import keras
import watch
from keras import layers
from plain_files import mnist

EPOCHS = 5

(x_train, y_train), (x_test, y_test) = mnist()
x_train, x_test = x_train.astype("float32") / 255, x_test.astype("float32") / 255
y_train, y_test = keras.utils.to_categorical(y_train), keras.utils.to_categorical(y_test)

model = keras.Sequential(
    [
        keras.Input((28, 28, 1)),
        layers.Conv2D(32, 3, activation="relu"),
        layers.MaxPooling2D(),
        layers.Conv2D(64, 3, activation="relu"),
        layers.MaxPooling2D(),
        layers.Conv2D(64, 3, activation="relu"),
        layers.Flatten(),
        layers.Dense(64, activation="relu"),
        layers.Dense(10, activation="softmax"),
    ]
)
model.compile("adam", "categorical_crossentropy", metrics=["accuracy"])
with watch.fitting(len(x_train) * EPOCHS):
    model.fit(
        x_train,
        y_train,
        epochs=EPOCHS,
        batch_size=64,
        verbose=2,
        callbacks=[watch.keras_callback()],
    )
watch.result(model.evaluate(x_test, y_test, verbose=0)[1])
