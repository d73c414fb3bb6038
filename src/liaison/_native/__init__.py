"""The engine, as Python sees it: one module per C object; C results become exceptions only here."""
