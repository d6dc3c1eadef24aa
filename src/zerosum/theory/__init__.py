"""What the papers prove, computed: closed forms and exact solutions, to compare trained networks with."""
