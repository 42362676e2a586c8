let log = "", heard = {};                        // keep both in sessionStorage
const later = (a, b) => a.length != b.length ? a.length > b.length : a > b;
function note(stamp) {                           // node.epoch.number, hexadecimal
  const [node, epoch, number] = stamp.split("."), had = heard[node];
  if (!had || later(epoch, had[0]) || epoch == had[0] && later(number, had[1])) heard[node] = [epoch, number];
}
const position = () => [log, ...Object.entries(heard).map(([node, of]) => [node, ...of].join("."))].join("_");
socket.onopen = () => socket.send(log ? position() : "");
socket.onmessage = ({ data }) => {
  const [stamp, text] = [data.slice(0, data.indexOf(" ")), data.slice(data.indexOf(" ") + 1)];
  if (stamp == "at") { const parts = text.split("_"); log = parts.shift(); parts.forEach(note); }
  else if (data == "late") reload();
  else { note(stamp); show(text); }
};
