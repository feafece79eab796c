// A server that is no replica set yet becomes one, of itself alone; one that is, stays as it is. Ends when it takes writes.
if (!db.hello().setName) rs.initiate({ _id: "rs0", members: [{ _id: 0, host: "mongo:27017" }] });
while (!db.hello().isWritablePrimary) sleep(100);
