#!/bin/sh
# An agent can be any program. This one gets its prompt on standard input, works in the project's folder, and hands in its
# result as JSON in the file $ORCH_OUTPUT. Put a call of your own model here.
set -eu

who=world
while IFS= read -r line || [ -n "$line" ]; do
    case $line in
        "Greet "*) who=${line#Greet } && who=${who%.} ;;
    esac
done

printf 'Hello, %s!\n' "$who" > hello.txt

printf '{"status": "succeeded", "summary": "wrote a greeting to hello.txt"}\n' > "$ORCH_OUTPUT"
