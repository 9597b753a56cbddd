"""Plain baselines: what a few lines of scikit-learn reach on the data of a training.

Each is fitted in a process of its own, on one core, beside the training; scikit-learn is imported
there and nowhere else.
"""
