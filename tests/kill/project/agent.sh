#!/bin/sh
cat > /dev/null
echo "B ${ORCH_ATTEMPT#*/} ${ORCH_KEY:--}" >> witness
sleep 0.05
echo "E ${ORCH_ATTEMPT#*/} ${ORCH_KEY:--}" >> witness
echo '{ "status": "succeeded", "summary": "worked", "output": { "word": "done" } }' > "$ORCH_OUTPUT"
