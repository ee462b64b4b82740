#!/bin/sh
# Writes when it begins and when it ends; `leave` goes before it ends, with children behind it.
echo "B ${ORCH_ATTEMPT#*/} $ORCH_KEY" >> witness
sleep "$1"
if [ "${2-}" = leave ]; then
  setsid sleep "$ORCH_INPUT_MARK" </dev/null >/dev/null 2>&1 &
  env -i sleep "$ORCH_INPUT_MARK" </dev/null >/dev/null 2>&1 &
  sleep "$ORCH_INPUT_MARK" &
fi
echo "E ${ORCH_ATTEMPT#*/} $ORCH_KEY" >> witness
