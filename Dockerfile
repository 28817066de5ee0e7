# The dashboard for a host of containers: docker build -t gatescope . && docker run -p 8501:8501 gatescope
FROM python:3.11-slim
WORKDIR /gatescope
COPY requirements.txt .
RUN pip install --no-cache-dir uv \
 && uv pip install --system --no-cache --torch-backend cpu -r requirements.txt
COPY app.py ./
COPY .streamlit .streamlit
COPY attention attention
COPY pages pages
COPY assets assets
RUN useradd --create-home visitor
USER visitor
EXPOSE 8501
HEALTHCHECK CMD python -c "from urllib.request import urlopen; urlopen('http://localhost:8501/_stcore/health')"
# Visitors reach it as localhost or by a number; other names: -e GATESCOPE_HOSTS="one.example other.example"
CMD ["python", "-m", "attention", "serve", "--address", "0.0.0.0", "--port", "8501", "--headless"]
