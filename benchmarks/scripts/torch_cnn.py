"""Convolutional networks on MNIST in PyTorch: the tutorials', or that of the preset `fast`."""

import sys

import torch
from plain_files import mnist
from torch import nn
from torch_training import fit, shuffled
from watch import result

NETWORK, EPOCHS = sys.argv[1], int(sys.argv[2])
OURS = NETWORK.startswith("ours")


def fast(filters):
    """Return the layers of the preset `fast`, with so many filters in the second."""
    return (
        *(nn.Conv2d(1, 16, 5, 2), nn.ReLU()),
        *(nn.Conv2d(16, filters, 3, bias=False), nn.MaxPool2d(2)),
        *(nn.BatchNorm2d(filters), nn.ReLU()),
        *(nn.Conv2d(filters, 128, 3, bias=False), nn.BatchNorm2d(128), nn.ReLU()),
        *(nn.Flatten(), nn.Linear(128 * 3 * 3, 10)),
    )


LAYERS = {
    "one-conv": (
        *(nn.Conv2d(1, 32, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten()),
        *(nn.Linear(32 * 13 * 13, 128), nn.ReLU(), nn.Linear(128, 10)),
    ),
    "three-conv": (
        *(nn.Conv2d(1, 32, 3), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Conv2d(32, 64, 3), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Conv2d(64, 64, 3), nn.ReLU(), nn.Flatten()),
        *(nn.Linear(64 * 3 * 3, 64), nn.ReLU(), nn.Linear(64, 10)),
    ),
    "two-conv": (
        *(nn.Conv2d(1, 32, 3), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Conv2d(32, 64, 3), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Flatten(), nn.Linear(64 * 5 * 5, 10)),
    ),
    "ours": fast(64),
    "ours-one-conv": fast(16),
    "ours-two-conv": fast(32),
}
BATCH_SIZES = {"one-conv": 32, "three-conv": 64, "two-conv": 32}

train, test = (
    (torch.from_numpy(x).permute(0, 3, 1, 2).float() / 255, torch.from_numpy(y).long())
    for x, y in mnist()
)
model = nn.Sequential(*LAYERS[NETWORK]).to(memory_format=torch.channels_last)
batch_size = BATCH_SIZES.get(NETWORK, 128)
fit(
    model,
    shuffled(*(tensor.contiguous() for tensor in train), batch_size),
    -(-len(train[0]) // batch_size),
    nn.CrossEntropyLoss(),
    8e-3 if OURS else 1e-3,
    epochs=EPOCHS,
    schedule=OURS,
    samples=len(train[0]),
)
with torch.inference_mode():
    answers = torch.cat([model(images).argmax(1) for images in test[0].split(1000)])
result((answers == test[1]).float().mean())
