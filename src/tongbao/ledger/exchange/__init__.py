"""The books in other programs' files: written as Beancount and CSV, opening balances read from them."""
