"""zerosum: train, evaluate, explain and compare generative adversarial networks."""
