// A press on a spectrogram plays its note, with a line that shows where it is. Without scripts the browser's own
// controls stay.
for (const note of document.querySelectorAll("figure.note")) {
  const audio = note.querySelector("audio");
  if (!audio) continue;
  const button = document.createElement("button");
  const head = document.createElement("i");
  button.type = "button";
  button.setAttribute("aria-label", `Play ${audio.getAttribute("aria-label")}`);
  note.querySelector(".picture").append(head, button);
  audio.hidden = true;
  audio.preload = "metadata";
  const follow = () => {
    head.style.left = `${(100 * audio.currentTime) / (audio.duration || 4)}%`;
    if (!audio.paused) requestAnimationFrame(follow);
  };
  button.addEventListener("click", () => {
    if (!audio.paused) return audio.pause();
    for (const other of document.querySelectorAll("audio")) if (other !== audio) other.pause();
    audio.currentTime = 0;
    audio.play().catch((error) => button.setAttribute("title", error.message));
  });
  audio.addEventListener("play", () => (note.classList.add("playing"), follow()));
  for (const end of ["pause", "ended"]) audio.addEventListener(end, () => note.classList.remove("playing"));
}
