"""What is done to samples, real and generated alike, before the critic sees them."""
