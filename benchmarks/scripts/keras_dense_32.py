"""A multilayer perceptron that predicts prices of diamonds, as a tutorial writes it."""

import keras
import watch
from keras import layers
from plain_files import diamonds

EPOCHS = 10

(x_train, y_train), (x_test, y_test) = diamonds()
mean, deviation = y_train.mean(), y_train.std()
model = keras.Sequential(
    [
        keras.Input((26,)),
        layers.Dense(32, activation="relu"),
        layers.Dense(1),
    ]
)
model.compile("adam", "mse", metrics=["mae"])
with watch.fitting(len(x_train) * EPOCHS):
    model.fit(
        x_train,
        (y_train - mean) / deviation,
        epochs=EPOCHS,
        batch_size=32,
        verbose=2,
        callbacks=[watch.keras_callback()],
    )
error = model.evaluate(x_test, (y_test - mean) / deviation, verbose=0)[1]
watch.result(error * deviation)
