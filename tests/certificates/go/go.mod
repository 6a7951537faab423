module cowhand.test/agent

go 1.24
