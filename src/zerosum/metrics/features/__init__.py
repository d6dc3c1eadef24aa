"""Feature networks: images -> vectors in which distances between sets of images are measured."""

from zerosum.metrics.features.shipped import FashionClassifier, classifier_record, features_hash, load_classifier

__all__ = ["FashionClassifier", "classifier_record", "features_hash", "load_classifier"]
