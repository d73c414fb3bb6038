"""What carries links: each module fulfils the contract of `liaison.carriers.contract`."""
