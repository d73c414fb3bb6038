#!/bin/sh
# A shell pipeline with mailboxes in it: two workers share the numbers and tell which are primes.
# Its parts need not be started in this order, nor from one terminal.

numbers=numbers-$$ primes=primes-$$

worker() {
    liaison receive "$numbers" --follow |
        while read -r n; do
            [ "$(factor "$n" | wc -w)" != 2 ] || echo "$n"
        done |
        liaison send "$primes" -
}

liaison create "$numbers" >/dev/null
liaison create "$primes" >/dev/null
worker &
worker &
seq 50 | liaison send "$numbers" -
liaison receive "$primes" --count 15 | sort -n | paste -sd ' '
liaison rm "$numbers" # ends --follow, and so the workers
wait
liaison rm "$primes"
