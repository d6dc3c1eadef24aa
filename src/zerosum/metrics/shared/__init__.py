"""Mathematics that several measures share: functions of tensors, which know nothing of measures."""
