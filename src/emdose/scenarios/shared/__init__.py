"""What several kinds of scenario share: tables, text, and what is built from them."""
