//! Telling it: events to bars, plain lines or JSON; findings; errors with causes and a hint.
