//! A machine, reached: command words, SSH, host keys, the front through which rke reaches it.
