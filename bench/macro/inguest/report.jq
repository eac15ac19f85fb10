# report - the tables of bench/macro/guests, from one line a measurement: {round, stage, workload, rate, p50, p99}.

def thousands: tostring | if length > 3 then (.[:-3] | thousands) + "," + .[-3:] else . end;
def places(n): . * pow(10; n) | round | tostring | if n == 0 then . else ("0" * ([n + 1 - length, 0] | max)) + . | .[:-n] + "." + .[-n:] end;
def middle: sort | if length % 2 == 1 then .[length / 2 | floor] else (.[length / 2] + .[length / 2 - 1]) / 2 end;
# Median, and the range where there are several rounds.
def spread(format): if length == 0 then "-" elif length == 1 then .[0] | format else "\(middle | format) [\(min | format)..\(max | format)]" end;
def row: "| " + join(" | ") + " |";

. as $all
| def rates($workload; $stage): [$all[] | select(.workload == $workload and .stage == $stage)] | sort_by(.round) | map(.rate);
  def number($workload; $stage): rates($workload; $stage) | spread(round | thousands);
  # Within each round, for that survives a machine that gets slower or faster.
  def ratio($workload; $stage; $base): [rates($workload; $stage), rates($workload; $base)] | transpose | map(select(all) | .[0] / .[1]) | spread(places(2));
  def times($workload; $stage): [$all[] | select(.workload == $workload and .stage == $stage)]
      | if length == 0 then "-" else "\(map(.p50) | middle | round | thousands) / \(map(.p99) | middle | round | thousands)" end;
  (["workload", "bare disk", "DRBD", "ratio to bare", "nbdkit through NBD", "ratio to bare", "BlockRepl through NBD", "ratio to bare", "ratio to nbdkit"] | row),
  ([range(9) | "---"] | row),
  ($workloads[] | [.name + " (" + .unit + ")", number(.name; "bare"), number(.name; "drbd"), ratio(.name; "drbd"; "bare"), number(.name; "nbdkit"), ratio(.name; "nbdkit"; "bare"),
      number(.name; "blockrepl"), ratio(.name; "blockrepl"; "bare"), ratio(.name; "blockrepl"; "nbdkit")] | row),
  "",
  (["p50 / p99, µs", "bare disk", "DRBD", "nbdkit through NBD", "BlockRepl through NBD"] | row),
  ([range(5) | "---"] | row),
  ($workloads[] | [.name, times(.name; "bare"), times(.name; "drbd"), times(.name; "nbdkit"), times(.name; "blockrepl")] | row)
