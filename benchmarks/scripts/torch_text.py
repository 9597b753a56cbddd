"""The LSTMs that write Shakespeare in PyTorch: `text`, or that of the preset `fast`."""

import sys

import torch
from plain_files import shakespeare
from torch import nn
from torch.nn import functional
from torch_training import fit, shuffled
from watch import result

NETWORK, EPOCHS = sys.argv[1], int(sys.argv[2])
OURS = NETWORK == "ours"
WINDOW, EMBEDDING, UNITS = (64, 32, 96) if OURS else (100, 128, 128)


class Writer(nn.Module):
    def __init__(self, characters: int):
        super().__init__()
        self.embedding = nn.Embedding(characters, EMBEDDING)  # begins with deviation 1
        if not OURS:
            nn.init.uniform_(self.embedding.weight, -0.05, 0.05)
        self.lstm = nn.LSTM(EMBEDDING, UNITS, batch_first=True)
        self.answer = nn.Linear(UNITS, characters)

    def forward(self, numbers):
        states, _ = self.lstm(self.embedding(numbers))
        return self.answer(states).mT


train_text, test_text = shakespeare()
characters = sorted(set(train_text))
number_of = {character: number for number, character in enumerate(characters)}


def windows(text: str, length: int):
    """Return windows of character numbers, and of those that come next."""
    numbers = torch.tensor([number_of[character] for character in text])
    count = (len(numbers) - 1) // length
    inputs, following = numbers[: count * length], numbers[1 : count * length + 1]
    return inputs.reshape(count, length), following.reshape(count, length)


train = windows(train_text, WINDOW)
test = windows(test_text, 500 if OURS else WINDOW)
model = Writer(len(characters))
fit(
    model,
    shuffled(*train, 64),
    -(-len(train[0]) // 64),
    functional.cross_entropy,
    3e-2 if OURS else 1e-3,
    epochs=EPOCHS,
    schedule=OURS,
    clip_norm=1.0 if OURS else 0.0,
    samples=len(train[0]),
)
with torch.inference_mode():
    losses = [
        functional.cross_entropy(model(x), y, reduction="sum").item()
        for x, y in zip(test[0].split(64), test[1].split(64), strict=True)
    ]
result(sum(losses) / test[1].numel())
