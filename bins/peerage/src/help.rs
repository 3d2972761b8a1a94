//! What `--help` adds to the list of options: examples, the keys of the JSON, exit codes.

pub(crate) const EXIT_CODES: &str = "\
Exit codes:
  0    done; messages were shown until --timeout or Ctrl-C
  1    the connection ended before the answer came, the answer did not verify, or a file or
       socket of ours failed
  2    the command line cannot be understood
  3    nobody could be reached, or the proxy did not connect us
  4    the connection was made, but its opening failed
  5    it took longer than allowed
  130  interrupted by Ctrl-C before it was done
  141  whoever read the output has closed it

Set RUST_LOG=debug to see the library's log on stderr.";

pub(crate) const CONNECT_EXAMPLES: &str = "\
Examples:
  peerage connect 203.0.113.7
  peerage connect node.example:8333 --request headers --json
  peerage connect [2001:db8::7]:18444 --network regtest --v2 --timeout 10
  peerage connect 127.0.0.1 --network signet --request block:HASH --save block.dat
  peerage connect examplexyz.onion --proxy 127.0.0.1:9050 --request ping
  peerage connect kaspa://203.0.113.7
  peerage connect kaspa://127.0.0.1 --network kaspa-simnet --request addresses

JSON (--json): each line is an object whose key `event` says what it is.
  opened   transport, after_v2, session_id, opening_ms, direction, address, network, agreed,
           version, user_agent, services, services_bits, height, relay, timestamp, time_offset,
           they_see_us, they_see_themselves, wtxid_relay, addrv2, txrcncl, features
  message  time (seconds since the start), command, body
  answer   request, and by request
             ping      round_trip_ms
             getaddr   address, services, services_bits, time
             headers   hash, previous, time, bits
             block     hash, previous, merkle_root, time, bits, nonce, version, bytes,
                       transactions, pow_ok, merkle_root_ok, witness_commitment_ok, txids;
                       a second line with saved, bytes if it was saved
             mempool   type, hash
             filters   height, block, bytes, filter_hash
           lists have a line for each entry, and at their end one with total
  notice   what: something odd that does not end the connection
  closed   reason, fault (remote, slowness, local, nobody), bytes_received, bytes_sent,
           received, sent (messages and bytes by command), ping_ms
Each of them has `peer`, the number of the connection. What does not exist is null. Text of the
remote is escaped and cut to 256 characters.

Of a Kaspa node
  opened   transport, gzip, opening_ms, direction, address, network, agreed, version, user_agent,
           id, our_id, listens_at, services, disable_relay_tx, subnetwork, timestamp (in ms),
           time_offset (in s)
  answer   request, and by request
             ping       round_trip_ms
             addresses  address, and a last line with total
             headers    hash, parents (the direct ones), parent_count, daa_score, blue_score,
                        timestamp, bits, nonce, and a last line with total, batches
             block      the same, and version, merkle_root, blue_work, pruning_point, bytes,
                        transactions, merkle_root_ok, txids; a second line with saved, bytes
             locator    hash, and a last line with total
The other events are as above. A header's or block's hash is computed from what came.";

pub(crate) const LISTEN_EXAMPLES: &str = "\
Examples:
  peerage listen --network regtest
  peerage listen 0.0.0.0:8333 --json --max 8
  peerage listen 127.0.0.1:0 --serve 200
  peerage listen kaspa://127.0.0.1 --network kaspa-simnet --serve 200

JSON (--json): as with `peerage connect` (see its --help), and the events
  listening  address, network
  failed     address, reason: an opening that failed
  backoff    wait_ms, reason: accepting has to wait";

pub(crate) const FOLLOW_EXAMPLES: &str = "\
Examples:
  peerage follow kaspa://203.0.113.7
  peerage follow kaspa://127.0.0.1 --network kaspa-simnet --count 10 --json

JSON (--json): each line is an object whose key `event` says what it is.
  opened     as with `peerage connect kaspa://...` (see its --help)
  addresses  total: how many addresses the node told
  block      time (seconds since the start), hash, parents (the direct ones), parent_count,
             daa_score, blue_score, timestamp (in ms), bits, nonce, version, merkle_root,
             blue_work, pruning_point, bytes, transactions, merkle_root_ok, txids
  notice     what: something odd that does not end the connection, such as a reject
  closed     as with `peerage connect`
Each of them has `peer`, the number of the connection.";
