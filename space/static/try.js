// The result of the Try page: the heatmap's opacity, boxes, landmarks, and downloads made in the browser, so that nothing goes back to the server.
// What was chosen holds for both models side by side and for the next photo.
const settings = { opacity: null, boxes: true, landmarks: false };

element.addEventListener("input", (event) => {
  if (!event.target.closest(".seen")) return;
  const { type, value, checked, className } = event.target;
  if (type === "range") settings.opacity = value;
  else settings[className] = checked;
  show();
});

function show() {
  for (const root of element.querySelectorAll(".seen")) {
    root.classList.toggle("without-boxes", !settings.boxes);
    root.classList.toggle("with-landmarks", settings.landmarks);
    for (const tick of root.querySelectorAll(".tick input")) tick.checked = settings[tick.className];
    const slider = root.querySelector("input[type=range]");
    if (!slider || settings.opacity === null) continue;
    slider.value = settings.opacity;
    root.querySelector("output").textContent = `${settings.opacity} %`;
    root.querySelector(".heat").style.opacity = settings.opacity / 100;
  }
}
watch("value", () => {
  show();
  // On a phone the answer lies below the fold.
  if (window.matchMedia("(max-width: 640px)").matches && element.querySelector(".answer, .message")) element.scrollIntoView({ block: "start" });
});

element.addEventListener("click", (event) => {
  const kind = event.target.dataset?.save;
  if (!kind) return;
  const answer = event.target.closest(".answer");
  const data = JSON.parse(answer.dataset.answer);
  if (kind === "png") return picture(answer.querySelector(".seen"), data).then((blob) => save(blob, "expressions.png"));
  if (kind === "json") return save(new Blob([JSON.stringify(data, null, 2)], { type: "application/json" }), "expressions.json");
  const columns = Object.keys(data.faces[0]);
  const lines = [["model", ...columns], ...data.faces.map((face) => [data.model, ...columns.map((name) => face[name])])];
  save(new Blob([lines.map((line) => line.map(quoted).join(",") + "\r\n").join("")], { type: "text/csv" }), "expressions.csv");
});

// A spreadsheet must not take the name of a visitor's own file for a formula.
function quoted(value) {
  if (typeof value === "number") return String(value);
  const text = /^\s*[=+\-@]/.test(value) ? `'${value}` : value;
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

async function picture(root, data) {
  const [photo, heat] = [root.querySelector(".photo"), root.querySelector(".heat")];
  await Promise.all([photo.decode(), heat?.decode()]);
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [photo.naturalWidth, photo.naturalHeight];
  const draw = canvas.getContext("2d");
  draw.drawImage(photo, 0, 0);
  if (heat) {
    draw.globalAlpha = Number(getComputedStyle(heat).opacity);
    draw.drawImage(heat, 0, 0, canvas.width, canvas.height);
    draw.globalAlpha = 1;
  }
  const scale = canvas.width / data.width;
  if (root.classList.contains("with-landmarks")) {
    draw.save();
    draw.scale(scale, scale);
    draw.lineCap = "round";
    for (const path of root.querySelectorAll(".points path")) {
      [draw.strokeStyle, draw.lineWidth] = [path.getAttribute("stroke"), path.getAttribute("stroke-width")];
      draw.stroke(new Path2D(path.getAttribute("d")));
    }
    draw.restore();
  }
  if (root.classList.contains("without-boxes") || data.detector === "none") return blobOf(canvas);
  const line = Math.max(2, canvas.width / 300);
  draw.font = `${Math.max(14, line * 7)}px sans-serif`;
  draw.textBaseline = "top";
  root.querySelectorAll(".box").forEach((box, index) => {
    const { x0, y0, x1, y1 } = data.faces[index];
    for (const [colour, width] of [["#ffffff", line + 2], [box.style.getPropertyValue("--tint"), line]]) {
      [draw.strokeStyle, draw.lineWidth] = [colour, width];
      draw.strokeRect(x0 * scale, y0 * scale, (x1 - x0) * scale, (y1 - y0) * scale);
    }
    const words = box.textContent;
    const size = draw.measureText(words);
    draw.fillRect(x0 * scale, y0 * scale, size.width + 2 * line, Math.max(14, line * 7) + 2 * line);
    draw.fillStyle = "#ffffff";
    draw.fillText(words, x0 * scale + line, y0 * scale + line);
    draw.fillStyle = "#000000";
  });
  return blobOf(canvas);
}

function blobOf(canvas) {
  return new Promise((done) => canvas.toBlob(done, "image/png"));
}

function save(blob, name) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10000);
}
