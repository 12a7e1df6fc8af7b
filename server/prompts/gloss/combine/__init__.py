"""What becomes of two neighbouring phrases: the English of each rule of the grammar."""
