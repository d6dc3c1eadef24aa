"""What the papers prove, computed: closed forms and exact solutions, to hold trained networks against."""
