"""Perceptrons for prices of diamonds in PyTorch: `dense-32`, or that of the preset `fast`."""

import sys
from itertools import pairwise

import torch
from plain_files import diamonds
from torch import nn
from torch.nn import functional
from torch_training import fit, shuffled
from watch import result

NETWORK, EPOCHS = sys.argv[1], int(sys.argv[2])
OURS = NETWORK == "ours"

train, test = ((torch.from_numpy(x), torch.from_numpy(y)) for x, y in diamonds())
mean, deviation = train[1].mean(), train[1].std()
units = [26, *((128, 64, 32) if OURS else (32,))]
hidden = [
    layer for before, after in pairwise(units) for layer in (nn.Linear(before, after), nn.ReLU())
]
model = nn.Sequential(*hidden, nn.Linear(units[-1], 1), nn.Flatten(0))
batch_size = 256 if OURS else 32
loss = functional.l1_loss if OURS else functional.mse_loss
fit(
    model,
    shuffled(*train, batch_size),
    -(-len(train[0]) // batch_size),
    lambda outputs, prices: loss(outputs, (prices - mean) / deviation),
    1e-2 if OURS else 1e-3,
    epochs=EPOCHS,
    schedule=OURS,
    samples=len(train[0]),
)
with torch.inference_mode():
    result(functional.l1_loss(model(test[0]) * deviation + mean, test[1]))
