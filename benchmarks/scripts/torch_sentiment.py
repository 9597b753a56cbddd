"""LSTMs on IMDB's reviews in PyTorch: `lstm-128` on 200 words, or that of the preset `fast`."""

import sys

import numpy as np
import torch
from plain_files import WORDS, imdb
from torch import nn
from torch.nn import functional
from torch_training import fit, shuffled
from watch import result

NETWORK, EPOCHS = sys.argv[1], int(sys.argv[2])
OURS = NETWORK == "ours"


class Lstm128(nn.Module):
    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(WORDS, 128)
        self.lstm = nn.LSTM(128, 128, batch_first=True)
        self.answer = nn.Linear(128, 1)

    def forward(self, words):
        states, _ = self.lstm(self.embedding(words))
        return self.answer(states[:, -1])[:, 0]


class Ours(nn.Module):
    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(WORDS, 32)
        nn.init.uniform_(self.embedding.weight, -0.05, 0.05)
        self.convolution = nn.Conv1d(32, 32, 3, padding=1)
        self.lstm = nn.LSTM(32, 32, batch_first=True, bidirectional=True)
        self.answer = nn.Linear(64 + 64 + 32, 1)

    def forward(self, words):
        is_word = (words != 0).float()[:, :, None]
        x = functional.dropout1d(self.embedding(words).mT, 0.2, self.training).mT * is_word
        phrases = functional.relu(self.convolution(x.mT)).mT * is_word
        pooled, is_phrase = (
            functional.max_pool1d(places.mT, 25, ceil_mode=True).mT for places in (phrases, is_word)
        )
        states, _ = self.lstm(pooled)
        largest = (states + (is_phrase - 1) * 2).amax(1)
        means = [
            (places * real).sum(1) / real.sum(1).clamp(min=1)
            for places, real in ((states, is_phrase), (x, is_word))
        ]
        x = functional.dropout(torch.cat([largest, *means], 1), 0.5, self.training)
        return self.answer(x)[:, 0]


def padded(texts):
    """Return the texts' last 200 words, zeros in front."""
    rows = np.zeros((len(texts), 200), "int64")
    for row, words in zip(rows, texts, strict=True):
        words = words[-200:]
        row[len(row) - len(words) :] = words
    return torch.from_numpy(rows)


def by_length(texts, labels, batch_size, *, shuffle):
    """Return a function that returns batches of texts of about one length, zeros behind."""
    texts = [torch.from_numpy(words[:400].astype("int64")) for words in texts]
    lengths = torch.tensor([len(words) for words in texts])

    def batches():
        order = torch.randperm(len(texts)) if shuffle else torch.arange(len(texts))
        groups = order.split(50 * batch_size)
        found = [
            rows for group in groups for rows in group[lengths[group].argsort()].split(batch_size)
        ]
        for number in torch.randperm(len(found)) if shuffle else range(len(found)):
            rows = found[number]
            words = nn.utils.rnn.pad_sequence([texts[row] for row in rows], batch_first=True)
            yield words, labels[rows]

    return batches


train, test = imdb()
labels = [torch.from_numpy(split[1]).float() for split in (train, test)]
if OURS:
    model, batch_size = Ours(), 128
    batches = by_length(train[0], labels[0], batch_size, shuffle=True)
    test_batches = by_length(test[0], labels[1], 256, shuffle=False)
else:
    model, batch_size = Lstm128(), 32
    batches = shuffled(padded(train[0]), labels[0], batch_size)
    rows = padded(test[0])

    def test_batches():
        return zip(rows.split(256), labels[1].split(256), strict=True)


fit(
    model,
    batches,
    -(-len(train[0]) // batch_size),
    nn.BCEWithLogitsLoss(),
    1e-2 if OURS else 1e-3,
    epochs=EPOCHS,
    schedule=OURS,
    samples=len(train[0]),
)
with torch.inference_mode():
    right = sum(((model(x) > 0) == (y > 0.5)).sum().item() for x, y in test_batches())
result(right / len(test[0]))
